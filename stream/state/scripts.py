"""What the store does at once, in Lua: keys and values of each are told where `Store` calls it."""

CLAIM = """
local epoch = redis.call('INCR', KEYS[1])
if epoch < tonumber(ARGV[1]) then
  epoch = ARGV[1]
  redis.call('SET', KEYS[1], epoch)
end
return {epoch, redis.call('HGET', KEYS[2], 'next_offset'), redis.call('HGET', KEYS[2], 'topic_id')}
"""

SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local now_ms, workflows, owed = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local at = 6
local named = #KEYS[1] - #'epoch' + #'w:' + 1
for i = 1, workflows do
  redis.call('SET', KEYS[5 + i], ARGV[at], 'PX', ARGV[2])
  redis.call('ZADD', KEYS[5], now_ms, string.sub(KEYS[5 + i], named))
  at = at + 1
end
for i = 1, owed do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  if ARGV[at + 2] ~= '0' then
    redis.call('ZADD', KEYS[3], ARGV[at + 2], ARGV[at])
    redis.call('HSET', KEYS[4], ARGV[at], ARGV[at + 1])
  end
  at = at + 3
end
return 1
"""

SAVE_POSITION = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'next_offset', ARGV[2], 'topic_id', ARGV[3])
return 1
"""

SET_VERDICT = """
local known = redis.call('GET', KEYS[1])
if known then
  local standing = cjson.decode(known)
  if ARGV[3] ~= '' and standing['workflow'] ~= ARGV[3] then return 0 end
  for _, lifted in ipairs(standing['lifts'] or {}) do
    if lifted == ARGV[4] or lifted == ARGV[5] then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

NO_LONGER_QUIET = """
for i = 2, #ARGV do
  local stored_ms = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if stored_ms and tonumber(stored_ms) <= tonumber(ARGV[1]) then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return 1
"""
