-- KEYS: device. ARGV: trusted until and the hash of the secret, or nothing twice. Returns 1 when the user is known on it.
if not is_known_device(KEYS[1]) then return 0 end
if ARGV[1] == '' then
  call('HDEL', KEYS[1], 'trusted_until', 'trust_hash')
else
  call('HSET', KEYS[1], 'trusted_until', ARGV[1], 'trust_hash', ARGV[2])
end
return 1
