import { defineRefusals, Refusal } from '#src/errors.ts'

export const refuse = defineRefusals({
  key_folder_too_open: {
    kind: 'unavailable',
    zh: '密钥目录或文件 {path} 的权限过宽（{mode}）。请执行 chmod 700 目录、chmod 600 文件，并确认所有者是运行本服务的用户。',
    en: 'The key folder or file {path} is too open ({mode}). Run chmod 700 on the folder and chmod 600 on its files, and make sure the user who runs this service owns them.',
  },
  root_key_missing: {
    kind: 'unavailable',
    zh: '密钥库已在使用中，但在 {path} 找不到根密钥。请恢复原来的密钥目录；切勿新建，否则所有合同将无法解密。',
    en: 'The key store is in use, but its root key is not in {path}. Restore the original key folder; a new key could not decrypt any contract.',
  },
  root_key_mismatch: {
    kind: 'unavailable',
    zh: '{path} 中的根密钥与密钥库不匹配。请检查密钥目录（YINXIN_KEY_DIR）与密钥数据库地址是否属于同一套部署。',
    en: 'The root key in {path} does not open this key store. Check that the key folder (YINXIN_KEY_DIR) and the keys database belong to the same installation.',
  },
  root_key_damaged: {
    kind: 'unavailable',
    zh: '密钥文件 {path} 已损坏（长度不正确）。请从备份恢复密钥目录。',
    en: 'The key file {path} is damaged (wrong length). Restore the key folder from its backup.',
  },
  epoch_key_missing: {
    kind: 'unavailable',
    zh: '密钥目录缺少第 {epoch} 期密钥文件，相关内容无法解密。请从备份恢复密钥目录。',
    en: 'The key folder lacks the key of epoch {epoch}, so content of that time cannot be decrypted. Restore the key folder from its backup.',
  },
  content_key_missing: {
    kind: 'not_found',
    zh: '该内容的密钥不存在或已销毁，内容无法读取。',
    en: 'The key of this content does not exist or has been destroyed; the content cannot be read.',
  },
  access_destroyed: {
    kind: 'gone',
    zh: '该方对此合同的访问密钥已销毁，无法再读取内容。其他各方不受影响。',
    en: "This party's access key to the contract has been destroyed, so it can no longer read the content. The other parties are not affected.",
  },
  tenant_key_destroyed: {
    kind: 'gone',
    zh: '该主体的密钥已销毁，不能再存放或读取其内容。',
    en: 'The key of this subject has been destroyed; content of its can be neither stored nor read.',
  },
  key_driver_changed: {
    kind: 'unavailable',
    zh: '密钥库由 {used} 保管，但设置为 {wanted}（YINXIN_KEY_DRIVER）。请改回原设置；若要迁移，另设 YINXIN_KEY_DRIVER_FROM={used} 后执行 yinxin keys move。',
    en: 'The key store is kept by the driver {used}, but the setting says {wanted} (YINXIN_KEY_DRIVER). Set it back; to move the keys, set YINXIN_KEY_DRIVER_FROM={used} too and run `yinxin keys move`.',
  },
  key_driver_unreachable: {
    kind: 'unavailable',
    zh: '无法连接密钥服务 {place}：{reason}。请检查地址与网络；期间无法读写合同内容。',
    en: 'The key service {place} does not answer: {reason}. Check its address and the network; contracts can be neither read nor written meanwhile.',
  },
  key_driver_sealed: {
    kind: 'unavailable',
    zh: '密钥服务 {place} 处于封存（sealed）或备用（standby）状态：{reason}。请由管理员解封或改用主节点地址。',
    en: 'The key service {place} is sealed or a standby: {reason}. Have it unsealed, or name the active node.',
  },
  key_driver_forbidden: {
    kind: 'unavailable',
    zh: '密钥服务 {place} 拒绝了访问：{reason}。请检查令牌与策略（transit 的 encrypt、decrypt、keys 路径），或令牌 PIN。',
    en: 'The key service {place} refused access: {reason}. Check the token and its policy (transit encrypt, decrypt and keys paths), or the PIN of the device.',
  },
  key_driver_failed: {
    kind: 'unavailable',
    zh: '密钥服务 {place} 未能完成操作：{reason}。',
    en: 'The key service {place} could not do what was asked: {reason}.',
  },
  key_driver_simulated: {
    kind: 'unavailable',
    zh: '{place} 自称模拟服务，生产模式不得用它保管密钥。',
    en: '{place} says that it is a simulator; in production it must not keep keys.',
  },
  key_version_in_use: {
    kind: 'conflict',
    zh: '第 {version} 版 {family} 密钥仍有内容使用，或尚未到销毁时间，不能销毁。',
    en: 'Version {version} of the {family} key is still in use or not yet due; it cannot be destroyed.',
  },
  sealed_value_damaged: {
    kind: 'unavailable',
    zh: '加密的数据无法解开：数据被改动，或不属于该用途。',
    en: 'The sealed value cannot be opened: it was changed, or it was sealed for another purpose.',
  },
})

/** The same refusal where it is known when it happened and where the proof of it lies. */
export function accessDestroyed(at: string, certificate: string): Refusal {
  return new Refusal(
    'access_destroyed',
    {
      kind: 'gone',
      zh: '该方对此合同的访问已于 {at} 销毁，无法再读取内容；其他各方不受影响。销毁证明：{certificate}',
      en: "This party's access to the contract was destroyed at {at}, so it can no longer read it; the other parties are not affected. Proof: {certificate}",
    },
    { at, certificate },
  )
}
