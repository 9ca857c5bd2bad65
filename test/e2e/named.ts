/** BIND in a folder and on a port of its own, as all tests want it. */

/** The beginning of its config: the options that all tests share, and those of one. */
export function namedOptions(folder: string, port: number, ...options: readonly string[]): string {
  const all = [
    `directory "${folder}"`,
    `listen-on port ${port} { 127.0.0.1; }`,
    "listen-on-v6 { none; }",
    "pid-file none",
    "session-keyfile none",
    ...options,
  ];
  return `options {\n${all.map((option) => `  ${option};\n`).join("")}};\ncontrols { };\n`;
}
