-- KEYS: record, open. ARGV: id, what never changes without addresses, ended before. Answers 1 when there is such a session.
if not is_known(KEYS[1], KEYS[2], ARGV[1]) then return 0 end
local times = deadlines(KEYS[1])
if number(times.ended_at or times.expires_at) >= number(ARGV[3]) then return 0 end
put_fixed(KEYS[1], ARGV[2])
call('HDEL', KEYS[1], 'last_ip')
return 1
