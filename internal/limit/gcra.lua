-- KEYS[1] the key; ARGV: step and burst in microseconds, n, now (0: this server's clock).
-- Answers {allowed, retry after in microseconds (-1: never), remaining}.
local step, burst, n, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local used = tat - now
local left = math.floor(math.max(burst - used, 0) / step)
if n > math.floor(burst / step) then
  return {0, -1, left}
end
local need = step * n
local over = used + need - burst
if over > 0 then
  return {0, over, left}
end
if n > 0 then
  -- %.0f, because Lua's own conversion keeps only 14 digits.
  redis.call('SET', KEYS[1], string.format('%.0f', tat + need), 'PX', string.format('%.0f', math.ceil((used + need) / 1000) + 1))
end
return {1, 0, left - n}
