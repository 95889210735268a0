-- Who owes something, the longest first, ARGV[1] at the most: account, owed of each.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local names = redis.call('ZREVRANGEBYSCORE', KEYS[2], '+inf', string.format('(%.17g', now), 'LIMIT', 0, ARGV[1])
if #names == 0 then
  return {}
end
local debts = {}
for i, was in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
  if was then
    local owed, at, rate = string.match(was, '^(%S+) (%S+) (%S+)$')
    debts[#debts + 1] = names[i]
    debts[#debts + 1] = string.format('%.17g', math.max(owed - math.max(now - at, 0) * rate, 0))
  end
end
return debts
