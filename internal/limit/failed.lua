-- KEYS: known, pair, address, user; ARGV: now (0: this server's clock), step and free of
-- the rules, first and longest delay, doublings. Times are microseconds.
local now = tonumber(ARGV[1])
local step, free = tonumber(ARGV[2]), tonumber(ARGV[3])
local first, longest, doublings = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local function fail(key)
  local s = redis.call('HMGET', key, 'level', 'at', 'until')
  local level, at, till = tonumber(s[1] or 0), tonumber(s[2] or 0), tonumber(s[3] or 0)
  level = math.max(level - math.max(now - math.max(at, till), 0), 0) + step
  level = math.min(level, (free + doublings + 1) * step)
  local count = math.ceil(level / step)
  if count > free then
    till = math.max(till, now + math.min(first * 2 ^ (count - free - 1), longest))
  end
  -- %.0f, because Lua's own conversion keeps only 14 digits.
  redis.call('HSET', key, 'level', string.format('%.0f', level), 'at', string.format('%.0f', now),
    'until', string.format('%.0f', till))
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil((math.max(now, till) + level - now) / 1000) + 1))
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  fail(KEYS[2])
else
  fail(KEYS[3])
  fail(KEYS[4])
end
return 0
