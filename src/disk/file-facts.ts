/* What the disks of the operating system have in common. */

/** Only the owner may read the files. */
export const FILE_MODE = 0o600

/** Tells a file from every other one, as long as it exists. */
export function identityIn({ dev, ino }: { dev: bigint; ino: bigint }): string {
  return `${dev}:${ino}`
}
