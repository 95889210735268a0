/** The JavaScript module k6/x/platctl. Import the default export: import platctl from 'k6/x/platctl'. */
declare module 'k6/x/platctl' {
  /** Values from the environment; see the README for the names. Pass k6's __ENV. */
  type Env = Record<string, string>;

  interface User {
    id: string;
    handle: string;
    /** Access token for the Authorization header. The API decides how long it lives. */
    token: string;
  }

  interface Community {
    baseURL: string;
    seed: number;
    /** Timeout of one request, for k6/http. */
    timeout: string;
    users: User[];
  }

  interface Platctl {
    /**
     * k6 options: a scenario "warmup", a pause of one second, a scenario "measure", both with a constant arrival rate. Throws an
     * error that names the variable when a value is wrong.
     */
    plan(env: Env): object;

    /**
     * For setup(): signs up USERS users of the SEED (or logs them in), lets them follow each other, and lets them post until
     * a page of the feed is full. Its requests are no k6 samples.
     */
    community(env: Env): Community;

    /** At the start of an iteration: records how late it starts, as the metric platctl_sched_lag. Only with constant-arrival-rate. */
    lag(): void;

    /** The i-th text of a seed, 12 to 31 words. */
    text(seed: number, i: number): string;

    /** The handle of the i-th user of a seed. */
    handle(seed: number, i: number): string;
  }

  const platctl: Platctl;
  export default platctl;
}
