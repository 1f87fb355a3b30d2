-- KEYS: open, over. ARGV: base, user, state, now, cutoff, except, after_at, after_id, limit. Answers pairs of an id and
-- the fields of its record, in the order of the list.
local base, user, state, now, cutoff, except, after_at, after_id, limit = unpack(ARGV)
now, cutoff, limit = number(now), number(cutoff), number(limit)
local STEP = 64

-- Walks an index from the position on, a few entries at a time.
local function walk(index)
  local self = {offset = 0, place = 1, entries = {}}
  function self.peek()
    if self.place > #self.entries then
      local entries =
        call('ZREVRANGEBYSCORE', index, after_at, '-inf', 'WITHSCORES', 'LIMIT', self.offset, STEP)
      self.offset, self.place, self.entries = self.offset + STEP, 1, entries
    end
    return self.entries[self.place], tonumber(self.entries[self.place + 1])
  end
  function self.skip()
    self.place = self.place + 2
  end
  return self
end

local walks = {walk(KEYS[1])}
if state ~= 'active' then walks[2] = walk(KEYS[2]) end

local function next_entry()
  local first, id, score
  for _, candidate in ipairs(walks) do
    local other, other_score = candidate.peek()
    if other and (not id or other_score > score or (other_score == score and is_less(id, other))) then
      first, id, score = candidate, other, other_score
    end
  end
  if first then first.skip() end
  return id, score
end

local page, gone = {}, {}
while #page < limit do
  local id, score = next_entry()
  if not id then break end
  local is_past = score < number(after_at) or is_less(id, after_id)
  if is_past and id ~= except then
    local record = base .. 's:' .. id .. ':' .. user
    local times = deadlines(record)
    if times then
      local is_active = not times.ended_at and not passed(times, now, cutoff)
      if state == 'all' or is_active == (state == 'active') then
        page[#page + 1] = {id, call('HGETALL', record)}
      end
    else
      gone[#gone + 1] = id
    end
  end
end
-- Records that have outlived everything leave their names behind.
for _, id in ipairs(gone) do
  call('ZREM', KEYS[1], id)
  call('ZREM', KEYS[2], id)
end
return page
