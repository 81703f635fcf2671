"""What Redis does in one step for the bus, as Lua: nothing between two commands of a script can be lost or seen half done.

Keys are the stream, then the hash of totals, then a stream of dead letters where one is needed. Works on Redis 7 and
Valkey 8 and later.
"""

from __future__ import annotations

# Lua's unpack takes some 8,000 values at most.
_SETTLED = """
local function in_pieces(command, head, ids)
    for first = 1, #ids, 1000 do
        local call = {command}
        for _, each in ipairs(head) do call[#call + 1] = each end
        for at = first, math.min(first + 999, #ids) do call[#call + 1] = ids[at] end
        redis.call(unpack(call))
    end
end

local function before(one, other)
    local ms, seq = string.match(one, '(%d+)-(%d+)')
    local other_ms, other_seq = string.match(other, '(%d+)-(%d+)')
    if ms ~= other_ms then return tonumber(ms) < tonumber(other_ms) end
    return tonumber(seq) < tonumber(other_seq)
end

-- The first message that one of the groups has still to finish; false when a group has not begun.
local function first_owed(stream, groups)
    if redis.call('exists', stream) == 0 then return false end
    local reached = {}
    for _, found in ipairs(redis.call('xinfo', 'groups', stream)) do
        local facts = {}
        for at = 1, #found, 2 do facts[found[at]] = found[at + 1] end
        reached[facts['name']] = facts['last-delivered-id']
    end
    local first = nil
    for _, group in ipairs(groups) do
        if not reached[group] then return false end
        local owed = redis.call('xpending', stream, group)[2]
        if not owed then
            local ms, seq = string.match(reached[group], '(%d+)-(%d+)')
            owed = ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
        end
        if not first or before(owed, first) then first = owed end
    end
    return first
end

local function settled(stream, group, groups, ids)
    in_pieces('xack', {stream, group}, ids)
    if #groups == 1 then
        in_pieces('xdel', {stream}, ids)
    else
        local first = first_owed(stream, groups)
        if first then redis.call('xtrim', stream, 'minid', '=', first) end
    end
end

local function numbered(from, count)
    local found = {}
    for at = from, from + count - 1 do found[#found + 1] = ARGV[at] end
    return found
end
"""

# KEYS: stream, totals. ARGV: most, number of messages, all messages as `packed` writes them.
# One command of few arguments: a command for each message would cost the publishing process ten times as much, an argument
# for each value twice.
PUBLISH = """
local most, count, packed = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if redis.call('xlen', KEYS[1]) + count > most then
    redis.call('hincrby', KEYS[2], 'refused', count)
    return 0
end
local at = 1
for _ = 1, count do
    local values, number = {}, nil
    number, at = struct.unpack('>I4', packed, at)
    for each = 1, number do
        values[each], at = struct.unpack('>I4c0', packed, at)
    end
    redis.call('xadd', KEYS[1], '*', unpack(values))
end
redis.call('hincrby', KEYS[2], 'published', count)
return 1
"""

# KEYS: stream. ARGV: group, number of groups, the groups, number of ids, the ids.
ACK = (
    _SETTLED
    + """
local groups = numbered(3, tonumber(ARGV[2]))
settled(KEYS[1], ARGV[1], groups, numbered(4 + #groups, tonumber(ARGV[3 + #groups])))
"""
)

# KEYS: stream, totals, dead letters. ARGV: group, number of groups, the groups, id, most dead letters kept, the dead
# letter's values. A second call for the same id does nothing: it is not pending any more.
DEAD = (
    _SETTLED
    + """
local groups = numbered(3, tonumber(ARGV[2]))
local id, most = ARGV[3 + #groups], tonumber(ARGV[4 + #groups])
if #redis.call('xpending', KEYS[1], ARGV[1], id, id, 1) == 0 then return 0 end
redis.call('xadd', KEYS[3], '*', unpack(ARGV, 5 + #groups))
redis.call('hincrby', KEYS[2], 'dead', 1)
local dropped = redis.call('xtrim', KEYS[3], 'maxlen', '=', most)
if dropped > 0 then redis.call('hincrby', KEYS[2], 'dead_dropped', dropped) end
settled(KEYS[1], ARGV[1], groups, {id})
return 1
"""
)

# KEYS: stream. ARGV: group, consumer, idle ms, count, where to begin. Returns where to go on, and {id, values, attempts}.
RECLAIM = """
local claimed = redis.call('xautoclaim', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[5], 'count', ARGV[4])
local found = {}
for _, entry in ipairs(claimed[2]) do
    local held = redis.call('xpending', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    if entry[2] and held[1] then found[#found + 1] = {entry[1], entry[2], held[1][4]} end
end
return {claimed[1], found}
"""

# KEYS: stream, dead letters. ARGV: group. Returns {waiting, pending, dead, age in ms of the oldest}.
LAG = """
local reached, pending, waiting = '0-0', 0, nil
if redis.call('exists', KEYS[1]) == 1 then
    for _, found in ipairs(redis.call('xinfo', 'groups', KEYS[1])) do
        local facts = {}
        for at = 1, #found, 2 do facts[found[at]] = found[at + 1] end
        if facts['name'] == ARGV[1] then
            reached, pending, waiting = facts['last-delivered-id'], facts['pending'], facts['lag']
        end
    end
end
if not waiting then
    -- Redis does not know after something was erased: count, and beyond 100,000 be content with that.
    waiting = #redis.call('xrange', KEYS[1], '(' .. reached, '+', 'count', 100000)
end
local oldest = nil
local first = redis.call('xrange', KEYS[1], '(' .. reached, '+', 'count', 1)[1]
if first then oldest = tonumber(string.match(first[1], '%d+')) end
if pending > 0 then
    local owed = tonumber(string.match(redis.call('xpending', KEYS[1], ARGV[1])[2], '%d+'))
    if not oldest or owed < oldest then oldest = owed end
end
local age = 0
if oldest then
    local time = redis.call('time')
    age = math.max(0, tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - oldest)
end
return {waiting, pending, redis.call('xlen', KEYS[2]), age}
"""

# KEYS: stream, totals, dead letters. ARGV: id of the dead letter, values of the message. Once only.
REPLAY = """
if redis.call('xdel', KEYS[3], ARGV[1]) == 0 then return 0 end
redis.call('xadd', KEYS[1], '*', unpack(ARGV, 2))
redis.call('hincrby', KEYS[2], 'published', 1)
return 1
"""
