import { InboxOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "任务队列", en: "Queue" };

export default definePage({
  routes: [{ path: "/queue", permission: "queue.read", title, load: () => import("./Queue") }],
  nav: { to: "/queue", group: "operations", order: 10, icon: InboxOutlined, permission: "queue.read", title },
});
