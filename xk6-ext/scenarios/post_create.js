// Creates posts, as people do who follow each other, with text that depends on the seed alone. Open model, as in feed_read.js.
import http from 'k6/http';
import exec from 'k6/execution';
import platctl from 'k6/x/platctl';

export const options = platctl.plan(__ENV);

export function setup() {
  return platctl.community(__ENV);
}

export default function (community) {
  platctl.lag();
  const i = exec.scenario.iterationInTest;
  const user = community.users[i % community.users.length];
  http.post(`${community.baseURL}/api/v1/posts`, JSON.stringify({ body: platctl.text(community.seed, i) }), {
    headers: { Authorization: `Bearer ${user.token}`, 'Content-Type': 'application/json' },
    tags: { name: 'POST /api/v1/posts' },
    timeout: community.timeout,
  });
}
