// Reads the home feed, as people do who follow each other. Open model: requests start on schedule, however slow the
// server is; one that can't start is counted as dropped and makes the run invalid.
import http from 'k6/http';
import exec from 'k6/execution';
import platctl from 'k6/x/platctl';

export const options = platctl.plan(__ENV);

export function setup() {
  return platctl.community(__ENV);
}

export default function (community) {
  platctl.lag();
  const user = community.users[exec.scenario.iterationInTest % community.users.length];
  http.get(`${community.baseURL}/api/v1/feed?limit=20`, {
    headers: { Authorization: `Bearer ${user.token}` },
    tags: { name: 'GET /api/v1/feed' },
    timeout: community.timeout,
  });
}
