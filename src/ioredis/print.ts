/** A callback for trying things out: prints the error or the reply. */
export function print(error: Error | null, reply?: unknown): void {
  if (error) console.log(`Error: ${error}`)
  else console.log(`Reply: ${reply}`)
}
