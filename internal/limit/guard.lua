-- KEYS: known, pair, address, user; ARGV: now (0: this server's clock).
-- Answers the time to wait in microseconds.
local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local function wait(key)
  return math.max(tonumber(redis.call('HGET', key, 'until') or 0) - now, 0)
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return wait(KEYS[2])
end
return math.max(wait(KEYS[3]), wait(KEYS[4]))
