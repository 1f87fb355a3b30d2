-- KEYS: open, over, ends. ARGV: base, user, kept id or '', device or '', at, cutoff, reason, actor, keep, 'again' or ''.
-- Answers the ids of those that ended as asked.
local base, user, kept, device, at, cutoff, reason, actor, keep, again = unpack(ARGV)
local keys = {open = KEYS[1], over = KEYS[2], ends = KEYS[3]}

local asked = {at = at, reason = reason, actor = actor}

local endings, gone = {}, {}
for _, id in ipairs(call('ZRANGE', keys.open, 0, -1)) do
  local record = base .. 's:' .. id .. ':' .. user
  if id ~= kept and (device == '' or device == call('HGET', record, 'device_id')) then
    local times = deadlines(record)
    if times then
      endings[#endings + 1] = {record, id, times, ending_of(times, asked, cutoff)}
    else
      gone[#gone + 1] = id
    end
  end
end

local ended = {}
for _, each in ipairs(endings) do
  put_ending(keys, each[1], each[2], user, each[3], each[4], keep)
  if not each[4].is_due then ended[#ended + 1] = each[2] end
end
-- Records that have outlived everything leave their names behind.
for _, id in ipairs(gone) do
  call('ZREM', keys.open, id)
end
-- Writing what is there already gives `WAIT` something to wait for.
if again ~= '' and #endings == 0 then
  local left = call('PTTL', keys.ends)
  if left > 0 then call('PEXPIRE', keys.ends, left) end
end
return ended
