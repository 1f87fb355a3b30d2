-- KEYS: record, open, over, ends. ARGV: id, user, at, cutoff, reason, actor, keep, 'again' or '', 'if_due' or ''.
local id, user, at, cutoff, reason, actor, keep, again, if_due = unpack(ARGV)
local keys = {open = KEYS[2], over = KEYS[3], ends = KEYS[4]}
local before = call('HMGET', KEYS[1], 'ended_at', 'ended_for', 'ended_by')
if before[1] then
  -- Writing what is there already gives `WAIT` something to wait for.
  if again ~= '' then call('HSET', KEYS[1], 'ended_at', before[1]) end
  return {'before', before[1], before[2] or '', before[3] or ''}
end
local times = deadlines(KEYS[1])
if not times or not call('ZSCORE', keys.open, id) then return {'absent'} end

local ending = ending_of(times, {at = at, reason = reason, actor = actor}, cutoff)
if if_due ~= '' and not ending.is_due then return {'absent'} end
put_ending(keys, KEYS[1], id, user, times, ending, keep)
if ending.is_due then return {'before', ending.at, ending.reason, ending.actor} end
return {'now'}
