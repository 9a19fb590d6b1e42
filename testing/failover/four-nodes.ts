/** Runs the four nodes until Ctrl-C and prints the settings of a platform on them: `node testing/failover/four-nodes.ts`. */
import { provision } from '../../apps/server/src/db/provision.ts'
import { hasPatroni, startPatroni } from './patroni.ts'
import { severalHosts } from './several-hosts.ts'

if (!hasPatroni()) {
  process.stderr.write('needs patroni, etcd-server and postgresql-15 from Debian, and root\n')
  process.exit(2)
}
const nodes = await startPatroni()
const { port } = await nodes.leader()
const urls = severalHosts(
  await provision(
    { host: '127.0.0.1', port, password: nodes.password },
    { main: 'yinxin', keys: 'yinxin_keys' },
  ),
  nodes.hosts,
)
process.stdout.write(
  [
    `YINXIN_DATABASE_URL=${urls.url}`,
    `YINXIN_DATABASE_OWNER_URL=${urls.ownerUrl}`,
    `YINXIN_KEYS_DATABASE_URL=${urls.keysUrl}`,
    `YINXIN_KEYS_DATABASE_OWNER_URL=${urls.keysOwnerUrl}`,
    `# logs, and data of ${nodes.nodes.map(({ name }) => name).join(', ')}: ${nodes.folder}`,
    '',
  ].join('\n'),
)
await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve()))
await nodes.close()
