-- KEYS[1] the claim; ARGV: owner, ttl in milliseconds. Answers 1 if owner still had it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
