// Pictures of triggers and steps.
import {
  ApiOutlined, AuditOutlined, BellOutlined, BranchesOutlined, CalendarOutlined, ClockCircleOutlined, CustomerServiceOutlined, DatabaseOutlined, EditOutlined, FieldTimeOutlined, FileTextOutlined, FolderAddOutlined, HourglassOutlined,
  MailOutlined, NodeExpandOutlined, OrderedListOutlined, PlusSquareOutlined, RollbackOutlined, SaveOutlined, SearchOutlined, SendOutlined, StopOutlined, TableOutlined, TagOutlined, TagsOutlined, ThunderboltOutlined, UserOutlined, UserSwitchOutlined,
} from "@ant-design/icons";
import type { ComponentType } from "react";

const icons: Record<string, ComponentType> = {
  mail: MailOutlined, absence: FieldTimeOutlined, record: DatabaseOutlined, schedule: CalendarOutlined, deadline: HourglassOutlined, "trigger.webhook": ApiOutlined, manual: UserOutlined,
  reply: RollbackOutlined, send_mail: SendOutlined, batch_send: MailOutlined, append: FolderAddOutlined, tag: TagOutlined, classify: TagsOutlined, create_ticket: CustomerServiceOutlined, assign_ticket: UserSwitchOutlined,
  find_records: SearchOutlined, create_record: PlusSquareOutlined, update_record: EditOutlined, approve: AuditOutlined, notify: BellOutlined, report: TableOutlined, document: FileTextOutlined, set: SaveOutlined, webhook: ApiOutlined,
  branch: BranchesOutlined, parallel: NodeExpandOutlined, for_each: OrderedListOutlined, wait: ClockCircleOutlined, stop: StopOutlined,
};

export function Icon({ of, trigger }: { of: string; trigger?: boolean }) {
  const Picture = icons[trigger ? `trigger.${of}` : of] ?? icons[of] ?? ThunderboltOutlined;
  return <Picture aria-hidden />;
}
