-- KEYS: record, open. ARGV: id, name or ''. Answers 1 when there is such a session.
if not is_known(KEYS[1], KEYS[2], ARGV[1]) then return 0 end
if ARGV[2] == '' then
  call('HDEL', KEYS[1], 'name')
else
  call('HSET', KEYS[1], 'name', ARGV[2])
end
return 1
