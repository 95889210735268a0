-- Books what was used without asking and lends up to what is wanted, whole units only. The hash has "owed at per_second" of each
-- account, the sorted set when each will owe nothing. More accounts than ARGV[1] are not kept: those that owe for the shortest
-- time go. ARGV from 2: account, per_second, burst, used, want of each ask.
local accounts, ends = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6

local function forget(gone)
  if #gone > 0 then
    redis.call('HDEL', accounts, unpack(gone))
    redis.call('ZREM', ends, unpack(gone))
  end
end

forget(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 1000))
if redis.call('EXISTS', ends) == 0 then -- a server that is short of memory may have dropped one of the two
  redis.call('DEL', accounts)
end

local loans = {}
for i = 2, #ARGV, 5 do
  local name, rate, burst, used, want = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  local owed, at = 0, now
  local was = redis.call('HGET', accounts, name)
  if was then
    local before, since = string.match(was, '^(%S+) (%S+)')
    at = math.max(tonumber(since), now) -- the clock of another server may be behind
    owed = math.max(tonumber(before) - (at - tonumber(since)) * rate, 0)
  end
  owed = owed + used
  local granted = math.max(math.min(want, math.floor(burst - owed)), 0)
  owed = owed + granted
  if owed > 0 then
    redis.call('HSET', accounts, name, string.format('%.17g %.17g %.17g', owed, at, rate))
    redis.call('ZADD', ends, string.format('%.17g', at + owed / rate), name)
  end
  loans[#loans + 1] = granted
  loans[#loans + 1] = string.format('%.17g', owed)
end

local over = redis.call('ZCARD', ends) - tonumber(ARGV[1])
if over > 0 then
  forget(redis.call('ZRANGE', ends, 0, math.min(over, 1000) - 1))
end
local last = redis.call('ZRANGE', ends, -1, -1, 'WITHSCORES')[2]
if last then
  local left = math.ceil((tonumber(last) - now) * 1000) + 1000
  redis.call('PEXPIRE', accounts, left)
  redis.call('PEXPIRE', ends, left)
end
return loans
