-- KEYS: record, open. ARGV: id, data. Answers 1 when there is such a session and it has not ended.
if not is_known(KEYS[1], KEYS[2], ARGV[1]) or call('HEXISTS', KEYS[1], 'ended_at') == 1 then return 0 end
call('HSET', KEYS[1], 'data', ARGV[2])
return 1
