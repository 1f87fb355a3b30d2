-- KEYS: record, open. ARGV: id, at, cutoff, from, next or '', 'refuse_older' or '', methods or '', level, levels. Answers
-- whether this call moved it, and the fields of the record as it is now.
local id, at, cutoff, from, following, refuse_older, methods, level, levels = unpack(ARGV)
if not is_known(KEYS[1], KEYS[2], id) then return {'absent', {}} end
local times = deadlines(KEYS[1])
local moves = following ~= '' and not times.ended_at and not passed(times, number(at), number(cutoff))
if not moves or call('HGET', KEYS[1], 'generation') ~= from then
  return {'unchanged', call('HGETALL', KEYS[1])}
end

call('HSET', KEYS[1], 'generation', following, 'rotated_at', at)
call('HDEL', KEYS[1], 'newest_seen')
if number(times.last_active_at) < number(at) then
  call('HSET', KEYS[1], 'last_active_at', at)
  call('ZADD', KEYS[2], 'XX', at, id)
end
if refuse_older ~= '' then call('HSET', KEYS[1], 'least_generation', following) end
if methods ~= '' then
  call('HSET', KEYS[1], 'methods', methods, 'level', level, 'levels', levels, 'authenticated_at', at)
end
return {'rotated', call('HGETALL', KEYS[1])}
