/** An open file. */
export interface DiskFile {
  /** Writes all parts one after the other from `position`; rejects unless every byte was taken. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>
  /** Reads up to `sizeBytes`; fewer only at the end of the file. */
  read(sizeBytes: number, position: number): Promise<Buffer>
  /** fsync. After a failure the kernel may have dropped the data and called it clean: never try again. */
  sync(): Promise<void>
  /** Whether the file still has a name; one that was deleted takes writes that nobody will find. */
  linked(): Promise<boolean>
  close(): Promise<void>
}

/**
 * What storage needs of a file system, and no more, so that a simulator can stand in for it.
 * All paths are absolute.
 */
export interface Disk {
  /** Makes a new file; fails when the name is taken. */
  create(path: string): Promise<DiskFile>
  /** Opens an existing file for reading. */
  open(path: string): Promise<DiskFile>
  /** Opens an existing file for overwriting bytes in place. */
  modify(path: string): Promise<DiskFile>
  sizeOf(path: string): Promise<number>
  /** Gives a file a second name; fails when the name is taken. */
  link(from: string, to: string): Promise<void>
  /** Renames over what is there. */
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes one folder; true when it was not there before. Fails when its parent is missing. */
  makeFolder(path: string): Promise<boolean>
  /** fsync of a folder: makes new names in it durable. */
  syncFolder(path: string): Promise<void>
  /** Tells a folder that exists from another that had, or gets, the same name. */
  identityOf(path: string): Promise<string>
  list(path: string): Promise<string[]>
  /** Names the physical device under a folder that exists (`st_dev`): two folders on one are one failure domain. */
  deviceOf(path: string): Promise<string>
  /** Bytes that can still be written under a folder that exists. */
  freeBytes(path: string): Promise<number>
}
