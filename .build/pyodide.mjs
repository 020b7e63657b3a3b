// Start Pyodide under Node for one piece of work.
import { pathToFileURL } from "node:url";

/**
 * @param {Record<string, unknown>} options for loadPyodide
 * @param {(pyodide: any, ...values: string[]) => Promise<void>} work called with the command line's values
 */
export async function inPyodide(options, work) {
  const [, , folder, ...values] = process.argv;
  try {
    const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
    const pyodide = await loadPyodide({ indexURL: `${folder}/`, ...options });
    await work(pyodide, ...values);
  } catch (error) {
    // The message is Python's traceback; Node's own would print a line of Pyodide, which is 700 kB long.
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
