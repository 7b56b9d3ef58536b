// What each permission lets one do, in words. Imported by the pages that show it, not by kit/index.ts: it is no part of the first load.
import type { Both } from "@/lang";

export const permissionGroups: { key: string; title: Both; permissions: Record<string, Both> }[] = [
  {
    key: "overview",
    title: { zh: "总览", en: "Overview" },
    permissions: { "overview.read": { zh: "查看运行情况和趋势", en: "See how it runs, and trends" } },
  },
  {
    key: "mail",
    title: { zh: "邮件与客户", en: "Mail and customers" },
    permissions: {
      "mail.read": { zh: "阅读邮件、附件和往来", en: "Read mail, attachments and conversations" },
      "mail.raw": { zh: "查看邮件原文", en: "See the raw source of mail" },
      "mail.withdraw": { zh: "从 CRM 撤回邮件、设为私密", en: "Withdraw mail from the CRM, mark it private" },
      "ledger.read": { zh: "追查每封邮件的去向", en: "See what became of each mail" },
      "contacts.read": { zh: "查看客户", en: "See customers" },
      "contacts.write": { zh: "核对联系人、合并、处理冲突", en: "Decide on contacts, merges and conflicts" },
    },
  },
  {
    key: "rules",
    title: { zh: "规则与自动邮件", en: "Rules and automated mail" },
    permissions: {
      "rules.read": { zh: "查看规则及其运行记录", en: "See rules and what they did" },
      "rules.write": { zh: "编辑规则草稿", en: "Write drafts of rules" },
      "rules.publish": { zh: "发布、回退和手动运行规则", en: "Publish, roll back and start rules" },
      "rules.hold": { zh: "紧急暂停规则", en: "Hold rules in an emergency" },
      "approvals.decide": { zh: "处理向本人发起的审批", en: "Decide what one is asked to approve" },
      "outbox.read": { zh: "查看规则发出的邮件", en: "See mail that rules send" },
      "outbox.write": { zh: "放行、扣留或取消规则的邮件", en: "Release, hold or cancel mail of rules" },
    },
  },
  {
    key: "operations",
    title: { zh: "运行", en: "Operations" },
    permissions: {
      "queue.read": { zh: "查看等待和失败的任务", en: "See work that waits or failed" },
      "queue.write": { zh: "重试或放弃失败的任务", en: "Retry or discard failed work" },
      "targets.read": { zh: "查看 CRM 和其他连接", en: "See connections to CRMs and others" },
      "targets.write": { zh: "测试、暂停和恢复连接", en: "Test, pause and resume connections" },
      "accounts.read": { zh: "查看邮箱账号", en: "See mail accounts" },
      "accounts.write": { zh: "接入、暂停和撤销邮箱账号", en: "Enrol, pause and revoke mail accounts" },
    },
  },
  {
    key: "administration",
    title: { zh: "管理", en: "Administration" },
    permissions: {
      "people.read": { zh: "查看人员、团队和角色", en: "See people, teams and roles" },
      "people.write": { zh: "添加、更改和停用人员", en: "Add, change and disable people" },
      "audit.read": { zh: "查看谁看过、改过什么", en: "See who saw and changed what" },
      "settings.read": { zh: "查看设置（不含密钥）", en: "See settings, without secrets" },
      "settings.write": { zh: "更改设置", en: "Change settings" },
      "data.import": { zh: "导入联系人和数据表", en: "Import contacts and tables" },
      "data.export": { zh: "导出数据", en: "Export data" },
    },
  },
  {
    key: "own",
    title: { zh: "本人", en: "Own account" },
    permissions: {
      own: { zh: "查看和管理自己的邮件同步", en: "See and manage how one's own mail is mirrored" },
      "tokens.own": { zh: "为自己创建 API 令牌", en: "Make API tokens for oneself" },
      signed_in: { zh: "任何已登录的人", en: "Anybody who is signed in" },
      public: { zh: "无需登录", en: "Anybody, without a sign-in" },
    },
  },
];

const all: Record<string, Both> = Object.assign({}, ...permissionGroups.map((g) => g.permissions));

/** A permission in words; one that has none as it is. */
export const permissionWords = (permission: string, lang: keyof Both) => all[permission]?.[lang] ?? permission;

/** The groups with those of the permissions that they have, for choosing among them. */
export function grouped(permissions: string[]) {
  return permissionGroups
    .map((g) => ({ ...g, own: Object.keys(g.permissions).filter((p) => permissions.includes(p)) }))
    .filter((g) => g.own.length);
}
