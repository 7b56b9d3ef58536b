-- KEYS: known, pair, address, user; ARGV: how long the place stays known, in milliseconds.
-- A success at a known place says nothing about failures elsewhere: a mail program
-- that polls must not reset what a guesser has earned.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[4])
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
redis.call('DEL', KEYS[2])
return 0
