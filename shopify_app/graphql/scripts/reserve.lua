-- May this call start? Fair: whoever is more urgent, or came earlier, has its points set aside first.
-- ARGV: ticket, cost, share of the bucket kept back, rank (0 serving), headroom (0..1), legacy (0 or 1),
--   seconds a waiting call is believed alive, seconds a started one is.
-- Returns {started (0 or 1), seconds to wait as text, seconds at the soonest as text}.
local HANDICAP_S = 2
local ticket, cost, share, rank = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local headroom, legacy = tonumber(ARGV[5]), ARGV[6] == '1'

local b = load()
local running, waiting = living(KEYS[3], 2), living(KEYS[2], 3)
local on_their_way = points_on_their_way(running)
refill(b, on_their_way, headroom)

-- Serving before all others; a backfill as if it had come two seconds later, so that follow-ups pass it, but not for ever.
local mine = waiting[ticket]
local place = mine and mine[1] or (rank == 0 and now - 1000000 or now + HANDICAP_S * (rank - 1))
local ahead, calls_ahead = 0, 0
for other, entry in pairs(waiting) do
  if other ~= ticket and entry[1] <= place then
    ahead, calls_ahead = ahead + entry[2], calls_ahead + 1
  end
end

local function short(level, wanted, rate) return math.max(0, (wanted - level) / rate) end
-- A call too dear for its share waits for a full bucket instead of for ever.
local own = math.min(cost + b.maximum * share, b.maximum)
local wait = short(b.level, ahead + own, b.rate)
local soonest = short(b.level + on_their_way, own, b.rate)
if headroom > 0 and rank > 0 then
  -- Our share may be overdrawn by one call: calls ask for many times what they cost, and the share is of the cost. Until
  -- the answer tells it, the next one waits.
  local our_rate, wanted = b.rate * (1 - headroom), 1 + calls_ahead
  wait = math.max(wait, short(b.allowance, wanted, our_rate))
  soonest = math.max(soonest, short(b.allowance + on_their_way, 1, our_rate))
end
if legacy then
  -- One of the two requests is for serving alone.
  local wanted = calls_ahead + 1 + (rank > 0 and 1 or 0)
  wait = math.max(wait, short(b.requests, wanted, REQUESTS_PER_S))
end
-- Nothing is known of the bucket yet: one call asks, the others wait for what it hears.
if b.known == 0 and on_their_way > 0 then wait = math.max(wait, 0.02) end

if wait > 0.0001 then
  mine = {place, cost, now + tonumber(ARGV[7])}
  redis.call('HSET', KEYS[2], ticket, cjson.encode(mine))
  save(b)
  return {0, tostring(wait), tostring(math.min(soonest, wait))}
end
redis.call('HDEL', KEYS[2], ticket)
b.level, b.allowance = b.level - cost, b.allowance - cost
if legacy then b.requests = b.requests - 1 end
b.reserved = b.reserved + cost
local entry = {cost, now + tonumber(ARGV[8]), b.refunded, b.reserved, on_their_way, now}
redis.call('HSET', KEYS[3], ticket, cjson.encode(entry))
save(b)
return {1, '0', '0'}
