-- KEYS: device. ARGV: trusted until, or ''. Answers 1 when the user is known on it.
if call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] == '' then
  call('HDEL', KEYS[1], 'trusted_until')
else
  call('HSET', KEYS[1], 'trusted_until', ARGV[1])
end
return 1
