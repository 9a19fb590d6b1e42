import type { DatabaseUrls } from '../../apps/server/src/db/provision.ts'

/** The same addresses over all hosts, `a:1,b:2`, of a cluster. */
export function severalHosts(urls: DatabaseUrls, hosts: string): DatabaseUrls {
  const over = (url: string) => {
    const { host } = new URL(url)
    return `${url.replace(`@${host}/`, `@${hosts}/`)}?target_session_attrs=read-write`
  }
  return {
    url: over(urls.url),
    ownerUrl: over(urls.ownerUrl),
    keysUrl: over(urls.keysUrl),
    keysOwnerUrl: over(urls.keysOwnerUrl),
  }
}
