import {
  CHECKPOINT,
  CHECKPOINT_TIMESTAMP,
  DISCLOSURES,
  EVENTS,
  MANIFEST,
  MANIFEST_PROOF,
} from './bundle-layout.ts'

/** The text file that tells a stranger what the package is and how to check it, with and without our tool. */
export const README_TEXT = `印信 证据包 / Yinxin evidence package
=====================================

【中文】

这个压缩包证明一份电子合同由谁、在何时、以何种过程签署，并且此后没有被改动。
核验不需要联网，也不需要信任签署平台；需要的只是另行取得的两样东西：
  · 平台的根证书（PEM 文件），其指纹可与平台书面公布的一致；
  · 存证日志的公钥（vkey，一行文字）。
请不要使用压缩包内自带的根证书和公钥作为信任依据。

一、用印信工具核验
  npx yinxin evidence verify 证据包.zip --trust root.pem --log-key log.vkey
  任何一个字节被改动、任何文件被增删，或整个包用别的密钥重做，都会报错并指出是哪个文件。
  不想安装任何东西：从平台的核验页下载离线核验页 yinxin-verify.html，断网打开，把本包、root.pem 和 log.vkey 拖进去。
  本包不自带核验程序：伪造证据包的人也会附上伪造的核验程序。

二、不用印信工具核验
  1. 解压后，逐个计算文件的 SHA-256，与 ${MANIFEST} 中 entries 所列一致：
       sha256sum documents/*.pdf
  2. 已签署的 PDF 用任何支持 PAdES 的阅读器或工具核验，例如：
       pdfsig documents/1-*.pdf
  3. 存证日志检查点的可信时间：
       openssl ts -verify -data ${CHECKPOINT} -in ${CHECKPOINT_TIMESTAMP} -CAfile root.pem -untrusted 中间证书.pem
     （中间证书在 certificates/ 中）
  4. ${EVENTS} 每行一个事件；第一行的 prevHash 是 64 个 0，其后每行的 prevHash
     是前一行（不含换行符）的 SHA-256。
  5. proofs/N.tlog-proof 证明第 N 号事件在日志中（C2SP tlog-proof 格式），
     ${MANIFEST_PROOF} 证明本包清单在日志中。

三、文件
  ${MANIFEST}          清单：每个文件的哈希，平台环境声明
  ${MANIFEST_PROOF}    清单已写入日志的证明
  documents/             已签署的合同
  ${EVENTS}           签署过程的全部事件，逐条以哈希相连
  ${DISCLOSURES}       事件中个人信息承诺值的盐与原文，仅供合同各方
  ${CHECKPOINT}             日志检查点
  proofs/                每个事件的日志包含证明
  certificates/ crl/     证书与吊销列表
  timestamps/            检查点的 RFC 3161 时间戳

【English】

This archive proves who signed an electronic contract, when and through which steps, and that nothing was
changed since. It is verified offline and without trusting the platform. Two things must come from elsewhere:
the platform's root certificate (PEM; compare its fingerprint with the published one) and the public key of
the evidence log (a line of text, "vkey"). Do not take the copies inside this archive as anchors.

1. With the Yinxin tool
     npx yinxin evidence verify PACKAGE.zip --trust root.pem --log-key log.vkey
   Any changed byte, any added or missing file, and a package rebuilt under other keys is reported by name.
   Without installing anything: download yinxin-verify.html from the platform's verification page, open it offline,
   and drop this package, root.pem and log.vkey on it. This package brings no verifier of its own, as whoever forged
   it would bring a forged one.

2. Without it
   a. Unpack, compute SHA-256 of every file and compare with "entries" in ${MANIFEST}.
   b. Check the signed PDFs with any PAdES validator, for example: pdfsig documents/1-*.pdf
   c. Trusted time of the log's checkpoint:
        openssl ts -verify -data ${CHECKPOINT} -in ${CHECKPOINT_TIMESTAMP} -CAfile root.pem -untrusted INTERMEDIATE.pem
      (intermediate certificates are in certificates/)
   d. ${EVENTS} has one event a line; prevHash of the first is 64 zeros, then always SHA-256 of the line
      before it without its newline.
   e. proofs/N.tlog-proof proves that event N stands in the log (C2SP tlog-proof); ${MANIFEST_PROOF}
      proves the same of this manifest.
   The format is described in SPEC.md of the package @yinxin/evidence.
`
