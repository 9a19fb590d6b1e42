import { expect, test } from 'vitest'
import { offset, paths, pieces, readCalls, target } from './calls.ts'
import { insertedRows } from './conversations.ts'

test('halves of a call are put together, with the lines at which it began and ended', () => {
  const calls = readCalls(
    [
      '11 1795543634.374899 fsync(3</srv/a> <unfinished ...>',
      '12 fsync(4</srv/b>) = -1 EIO (Input/output error)',
      '13 <... write resumed>) = 3',
      '11 <... fsync resumed>) = 0',
      '12 +++ exited with 0 +++',
      '14 write(5</srv/c>, "x", 1 <unfinished ...>',
    ].join('\n'),
  )
  expect(calls).toEqual([
    { pid: 12, name: 'fsync', begin: 1, end: 1, args: '4</srv/b>', result: -1 },
    { pid: 11, name: 'fsync', begin: 0, end: 3, args: '3</srv/a>', result: 0 },
  ])
})

test('bytes come out of the escapes of strace as they went in', () => {
  const [call] =
    readCalls(String.raw`1 pwrite64(3</srv/a>, "\0\12\377\"\\a\t1\0011"..., 20, 72 <unfinished ...>
1 <... pwrite64 resumed>) = 20`)
  const [piece] = pieces(call ?? expect.fail('no call'))
  expect([...(piece?.bytes ?? [])]).toEqual([0, 10, 255, 34, 92, 97, 9, 49, 1, 49])
  expect(piece?.sizeBytes).toBe(20)
  expect(offset(call ?? expect.fail('no call'))).toBe(72)
})

test('vectors keep their lengths where strace cut their bytes', () => {
  const [call] = readCalls(
    '1 pwritev(3</srv/a>, [{iov_base="ab"..., iov_len=4000}, {iov_base="c", iov_len=1}], 2, 8) = 4001',
  )
  expect(pieces(call ?? expect.fail('no call'))).toEqual([
    { bytes: Buffer.from('ab'), sizeBytes: 4000 },
    { bytes: Buffer.from('c'), sizeBytes: 1 },
  ])
})

test('a socket with a name in quotes is no data', () => {
  const [call] = readCalls('1 sendto(4<UNIX-STREAM:[5->6,"/srv/.s.PGSQL.5432"]>, "Z", 1, 0, NULL, 0) = 1')
  expect(target(call ?? expect.fail('no call'))).toBe('UNIX-STREAM:[5->6,"/srv/.s.PGSQL.5432"]')
  expect(pieces(call ?? expect.fail('no call'))[0]?.bytes.toString()).toBe('Z')
  const [link] = readCalls('1 link("/srv/incoming/a", "/srv/objects/a") = 0')
  expect(paths(link ?? expect.fail('no call'))).toEqual(['/srv/incoming/a', '/srv/objects/a'])
})

test('rows of an insert are read by column', () => {
  const sql =
    'with "objects" as (insert into "storage_objects" ("id", "class") values ($1, $2), ($3, $4)) insert into "storage_replicas" ("object_id") values ($5)'
  const statement = { sql, parameters: ['a', 'draft', 'b', null, 'a'], at: 0 }
  expect(insertedRows(statement, 'storage_objects')).toEqual([
    { id: 'a', class: 'draft' },
    { id: 'b', class: null },
  ])
  expect(insertedRows(statement, 'storage_replicas')).toEqual([{ object_id: 'a' }])
  expect(insertedRows(statement, 'storage_removals')).toEqual([])
})
