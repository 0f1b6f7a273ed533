-- Return the next message without removing it; first move one message of each Celery list into the inbox.
-- Rename a key that is not a list: otherwise messages could not be pushed or rejected.
-- KEYS inbox, inbox:rejected, a list of Celery clients...
-- ARGV longest (bytes of a message that is returned whole), shown (bytes that are returned of a longer one)
-- returns the new name of a key that was renamed (or ''), then the message and its length, if there is one
local renamed = ''
for i = 1, 2 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'list' and kind ~= 'none' then
    renamed = KEYS[i] .. ':not-a-list:' .. stamp
    redis.call('RENAME', KEYS[i], renamed)
  end
end
for i = 3, #KEYS do
  -- RPOP before LPUSH, not RPOPLPUSH: what frees memory comes first, see common.lua
  local head = redis.call('TYPE', KEYS[i]).ok == 'list' and redis.call('LINDEX', KEYS[i], -1)
  -- an entry that is the id of a job stays: that job will be moved to this kind of broker
  local sent = head and redis.call('EXISTS', 'job:' .. head) == 0 and redis.call('RPOP', KEYS[i])
  if sent then redis.call('LPUSH', KEYS[1], sent) end
end
local message = redis.call('LINDEX', KEYS[1], -1)
if not message then return {renamed} end
if #message > tonumber(ARGV[1]) then return {renamed, message:sub(1, ARGV[2]), #message} end
return {renamed, message, #message}
