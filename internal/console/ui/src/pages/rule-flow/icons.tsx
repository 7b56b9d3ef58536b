// A picture for each kind of step, trigger and effect; it stands beside words, never alone.
import {
  ApartmentOutlined,
  ApiOutlined,
  AuditOutlined,
  BranchesOutlined,
  CalendarOutlined,
  CheckCircleOutlined,
  ClockCircleOutlined,
  CustomerServiceOutlined,
  DatabaseOutlined,
  FileTextOutlined,
  FilterOutlined,
  FlagOutlined,
  FormOutlined,
  HourglassOutlined,
  InboxOutlined,
  MailOutlined,
  MergeCellsOutlined,
  NotificationOutlined,
  PlayCircleOutlined,
  QuestionCircleOutlined,
  RetweetOutlined,
  SendOutlined,
  StopOutlined,
  TagOutlined,
  ThunderboltOutlined,
  UserSwitchOutlined,
} from "@ant-design/icons";
import type { ReactNode } from "react";

const icons: [RegExp, ReactNode][] = [
  [/^trigger\.mail$/, <MailOutlined aria-hidden />],
  [/^trigger\.absence$/, <HourglassOutlined aria-hidden />],
  [/^trigger\.record$/, <DatabaseOutlined aria-hidden />],
  [/^trigger\.schedule$/, <CalendarOutlined aria-hidden />],
  [/^trigger\.deadline$/, <FlagOutlined aria-hidden />],
  [/^trigger\.webhook$/, <ApiOutlined aria-hidden />],
  [/^trigger/, <PlayCircleOutlined aria-hidden />],
  [/^condition$/, <FilterOutlined aria-hidden />],
  [/^end$/, <CheckCircleOutlined aria-hidden />],
  [/^approv/, <AuditOutlined aria-hidden />],
  [/^(wait|delay)/, <ClockCircleOutlined aria-hidden />],
  [/^branch$/, <BranchesOutlined aria-hidden />],
  [/^parallel$/, <ApartmentOutlined aria-hidden />],
  [/^for_each$/, <RetweetOutlined aria-hidden />],
  [/^stop$/, <StopOutlined aria-hidden />],
  [/^assign/, <UserSwitchOutlined aria-hidden />],
  [/ticket/, <CustomerServiceOutlined aria-hidden />],
  [/^(create|update|find)?_?record|^(find|lookup|query)/, <FormOutlined aria-hidden />],
  [/^tag/, <TagOutlined aria-hidden />],
  [/^(webhook|call|http)/, <ApiOutlined aria-hidden />],
  [/^append/, <InboxOutlined aria-hidden />],
  [/^notify/, <NotificationOutlined aria-hidden />],
  [/^(reply|forward|send|mail|email)/, <SendOutlined aria-hidden />],
  [/(document|report|table|csv)/, <FileTextOutlined aria-hidden />],
  [/^(classify|extract)/, <QuestionCircleOutlined aria-hidden />],
  [/^(batch|collect|merge|join)/, <MergeCellsOutlined aria-hidden />],
];

/** kind: of a step or effect, trigger.TYPE, condition or end. */
export function KindIcon({ kind }: { kind: string }) {
  return icons.find(([pattern]) => pattern.test(kind))?.[1] ?? <ThunderboltOutlined aria-hidden />;
}
