-- One shop's share of Shopify's rate limit, seen by all processes. Put before reserve.lua and report.lua.
--
-- KEYS[1] hash: maximum, rate (Shopify's figures), level (points that no call has spoken for, never more than Shopify
--   holds), allowance (points left of our share after the headroom), requests (calls left, legacy mode), at (seconds),
--   known (1 once an answer told), reserved and refunded (running totals).
-- KEYS[2] hash of calls that wait: ticket -> [place (a time: the smallest goes first), cost, alive until]
-- KEYS[3] hash of calls on their way: ticket -> [cost, forgotten at, refunded then, reserved then, others then, sent at]
local REQUESTS, REQUESTS_PER_S = 2, 2
-- Shopify charges a call when it begins to work on it. After so long it has, or the caller died before sending it.
local CHARGED_AFTER_S = 10

local told = redis.call('TIME')
local now = told[1] + told[2] / 1000000

local function load()
  local b = {maximum = 1000, rate = 50, level = 1000, at = now, known = 0, reserved = 0, refunded = 0, requests = REQUESTS}
  local found = redis.call('HGETALL', KEYS[1])
  for i = 1, #found, 2 do b[found[i]] = tonumber(found[i + 1]) end
  return b
end

local function save(b)
  local flat = {}
  for name, value in pairs(b) do
    flat[#flat + 1] = name
    flat[#flat + 1] = string.format('%.6f', value)
  end
  redis.call('HSET', KEYS[1], unpack(flat))
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, 3600) end
end

-- The living entries of a hash of JSON arrays; `until_at` is the place of the moment at which an entry is forgotten.
local function living(key, until_at)
  local found, kept = redis.call('HGETALL', key), {}
  for i = 1, #found, 2 do
    local entry = cjson.decode(found[i + 1])
    if entry[until_at] < now then redis.call('HDEL', key, found[i]) else kept[found[i]] = entry end
  end
  return kept
end

-- Points of calls that Shopify may not have charged yet.
local function points_on_their_way(running)
  local sum = 0
  for _, entry in pairs(running) do
    if entry[6] + CHARGED_AFTER_S > now then sum = sum + entry[1] end
  end
  return sum
end

-- What came back since the last look. Shopify's bucket is full before ours is: calls on their way are not charged yet.
local function refill(b, on_their_way, headroom)
  local passed = math.max(0, now - b.at)
  b.level = math.min(b.level + b.rate * passed, math.max(b.level, b.maximum - on_their_way))
  local share = 1 - headroom
  b.allowance = math.min((b.allowance or b.maximum * share) + b.rate * share * passed, b.maximum * share)
  b.requests = math.min(b.requests + REQUESTS_PER_S * passed, REQUESTS)
  b.at = math.max(b.at, now)
end
