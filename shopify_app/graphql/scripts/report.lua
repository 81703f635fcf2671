-- What an answer said. Shopify counted at some moment between the sending and now, while other calls were on their way,
-- so its figure is a bound from both sides, not the level itself.
-- ARGV: ticket, headroom (0..1), points spent ('' when unknown), then, when the answer told them,
--   maximum, available, restore rate.
local headroom = tonumber(ARGV[2])
local b = load()
local packed = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
local on_their_way = points_on_their_way(living(KEYS[3], 2))
refill(b, on_their_way, headroom)

local entry = packed and cjson.decode(packed)
local refund = 0
if entry and ARGV[3] ~= '' then refund = entry[1] - tonumber(ARGV[3]) end
b.level, b.allowance = b.level + refund, b.allowance + refund
-- A failed answer tells no cost. The next one will tell the level; of our share a failure is taken to have cost nothing,
-- since only what was asked is known, and that is many times what calls cost.
if entry and ARGV[3] == '' then b.allowance = b.allowance + entry[1] end
if ARGV[4] and ARGV[4] ~= '' then
  local available = tonumber(ARGV[5])
  b.allowance = b.allowance + (tonumber(ARGV[4]) - b.maximum) * (1 - headroom)
  b.maximum, b.rate, b.known = tonumber(ARGV[4]), math.max(1, tonumber(ARGV[6])), 1
  if entry then
    -- At least what Shopify held, less every other call that it may not have charged yet.
    b.level = math.max(b.level, available - entry[5] - (b.reserved - entry[4]))
    -- At most what it held (told without its fraction), plus what came back since the sending.
    b.level = math.min(b.level, available + 1 + b.rate * (now - entry[6]) + (b.refunded - entry[3]))
  else
    b.level = math.min(b.level, available)
  end
end
b.level = math.min(b.level, b.maximum - on_their_way)
b.refunded = b.refunded + math.max(0, refund)
b.reserved = b.reserved + math.max(0, -refund)
save(b)
return 1
