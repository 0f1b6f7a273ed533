-- Reject a message that cannot become a job: move it to the list of rejected messages.
-- KEYS the list that the message is in, the list of rejected messages
-- ARGV message (of a long one, which must be the next in its list, only the beginning), its length, the entry for the
--      list of rejected messages (JSON), how many entries that list keeps
-- returns 1, or 0 if another producer was faster
local message, length = ARGV[1], tonumber(ARGV[2])
if redis.call('TYPE', KEYS[2]).ok ~= 'list' and redis.call('EXISTS', KEYS[2]) == 1 then return 0 end -- lose nothing
if #message == length then
  if redis.call('LREM', KEYS[1], -1, message) == 0 then return 0 end
else
  local last = redis.call('LINDEX', KEYS[1], -1)
  if not last or #last ~= length or last:sub(1, #message) ~= message then return 0 end
  redis.call('RPOP', KEYS[1])
end
redis.call('LPUSH', KEYS[2], ARGV[3])
redis.call('LTRIM', KEYS[2], 0, ARGV[4] - 1)
return 1
