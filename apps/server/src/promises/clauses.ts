/** Every clause of the agreement that says what the platform does, each with its promised figure. */

export interface Words {
  zh: string
  en: string
}

export interface Promised {
  /** `3.8/signing`: the clause, and what of it. */
  key: string
  title: Words
  promised: Words
}

const row = (key: string, zh: string, en: string, promisedZh: string, promisedEn: string): Promised => ({
  key,
  title: { zh, en },
  promised: { zh: promisedZh, en: promisedEn },
})

const availability = (service: string, zh: string, en: string) =>
  row(
    `3.8/${service}`,
    `${zh}可用性`,
    `Availability: ${en}`,
    '每自然月 ≥ 99.95%',
    '≥ 99.95 % per calendar month',
  )

export const promisedRows: readonly Promised[] = [
  row(
    '3.1/design',
    '数据持久性',
    'Durability',
    '每月 11 个 9：丢失概率 ≤ 1×10⁻¹¹',
    'eleven nines per month: probability of loss ≤ 1×10⁻¹¹',
  ),
  row(
    '3.1/contract',
    '数据持久性（按合同份数）',
    'Durability, in contracts',
    '每 100 亿份合同每月最多丢失 1 份',
    'at most 1 of 10,000,000,000 contracts lost per month',
  ),
  row(
    '3.2/deadline',
    '数据可销毁性',
    'Destruction',
    '自动或在约定期限内彻底清除，不可恢复',
    'erased beyond recovery, at once or by the agreed date',
  ),
  row(
    '3.3/exports',
    '数据可迁移性',
    'Portability',
    '用户可自助导出并迁移全部合同',
    'users take their contracts out by themselves',
  ),
  row(
    '3.4/privacy',
    '数据私密性',
    'Privacy',
    '合同加密存储，用户之间互不可见，运维操作均有记录',
    'contracts are stored encrypted and seen by their parties alone; what operators do is recorded',
  ),
  row(
    '3.5/replicas',
    '合同文件副本',
    'Replicas of files',
    '主数据中心 3 份，容灾数据中心 3 份',
    '3 in the main data centre, 3 in the recovery data centre',
  ),
  row(
    '3.5/databases',
    '数据库副本',
    'Copies of the database',
    '主数据中心 2 份，容灾数据中心 2 份',
    '2 in the main data centre, 2 in the recovery data centre',
  ),
  row(
    '3.6/record',
    '服务可审查性',
    'Auditability',
    '可依法提供访问、运行、运维与用户操作记录',
    'records of access, operation, operators and users can be produced',
  ),
  row(
    '3.7/announcements',
    '功能变更公告',
    'Announcements of changes',
    '可能影响用户的功能性变更全部公告',
    'every functional change that may affect users is announced',
  ),
  availability('frontend', '前端服务', 'frontend'),
  availability('backend', '后端服务', 'backend'),
  availability('upload', '上传服务', 'upload'),
  availability('signing', '签署服务', 'signing'),
  availability('certificate', '证书签发', 'certificate issuance'),
  row(
    '3.8/downtime',
    '核心服务宕机时间',
    'Downtime of core services',
    '每自然月 ≤ 21.6 分钟',
    '≤ 21.6 minutes per calendar month',
  ),
  row(
    '3.8/upload-failures',
    '单个用户不能上传的概率',
    'One user cannot upload',
    '每年 ≤ 万分之五',
    '≤ 5 in 10,000 per year',
  ),
  row(
    '3.8/signing-failures',
    '单个用户不能签署的概率',
    'One user cannot sign',
    '每年 ≤ 万分之五',
    '≤ 5 in 10,000 per year',
  ),
  row(
    '3.9/scaling',
    '在线扩容',
    'Scaling',
    '30 分钟内完成，达到 60% 时翻倍',
    'done within 30 minutes, doubled at 60 %',
  ),
  row(
    '3.10/on-call',
    '7×24 小时值守',
    'On call around the clock',
    '7×24 小时有人值守',
    'somebody is on call at every hour',
  ),
  row(
    '3.10/alerts',
    '多重告警',
    'Alerts over several ways',
    '钉钉机器人、短信、邮件',
    'DingTalk robot, SMS and mail',
  ),
  row(
    '3.10/recovery',
    '严重故障响应',
    'Response to severe incidents',
    '应急响应，紧急恢复业务',
    'emergency response and recovery',
  ),
  row(
    '3.10/drill',
    '恢复演练',
    'Restore drills',
    '备份可恢复，且经过演练',
    'backups restore, and that is rehearsed',
  ),
  row(
    '3.11/lines',
    '网络接入',
    'Network access',
    'BGP 网络，接入电信、联通、移动、铁通、教育网',
    'BGP; Telecom, Unicom, Mobile, Tietong, CERNET',
  ),
  row(
    '3.12/metering',
    '服务计量准确性',
    'Metering',
    '按实际使用准确计量，数据保留至少 3 年',
    'metered exactly by use; figures kept for 3 years',
  ),
  row(
    '3.13/kept',
    '终止后资料保存',
    'Data after termination',
    '资料继续保存，可查询并提供证明',
    'data is kept, can be queried and attested',
  ),
  row(
    '3.14/compensation',
    '服务赔偿',
    'Compensation',
    '赔偿直接损失，最高为协议金额两倍',
    'direct loss is paid, up to twice the agreed amount',
  ),
  row('3.15/rules', '用户约束', 'Duties of users', '用户遵守法律与规则', 'users obey law and rules'),
  row(
    '3.16/documents',
    '不适用的文书',
    'Documents that must not be signed',
    '依法不适用电子签名的文书不得签署',
    'documents that the law keeps on paper are not signed',
  ),
]
