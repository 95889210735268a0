select f.follower_id, f.followee_id, format('%s follows %s, who is hidden from them', f.follower_id, f.followee_id)
from follows f join hidden h on h.viewer_id = f.follower_id and h.other_id = f.followee_id
