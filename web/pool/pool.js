// The pool of this page. A script of its own in index.html, so that downloads, compilation and the first worker start
// before the rest of the page is loaded.

import { WorkerPool } from "./worker-pool.js";

export const pool = new WorkerPool();
