import { ContactsOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "客户", en: "Customers" };

export default definePage({
  routes: [
    { path: "/customers", permission: "contacts.read", title, load: () => import("./Customers") },
    { path: "/customers/:id", permission: "contacts.read", title, load: () => import("./Customer") },
  ],
  nav: { to: "/customers", group: "mail", order: 10, icon: ContactsOutlined, permission: "contacts.read", title },
  search: { permission: "contacts.read", title: { zh: "找客户", en: "Find a customer" }, to: (q) => `/customers?q=${encodeURIComponent(q)}`, fits: (q) => (/^<.*>$/.test(q) ? 0 : 1.1) },
});
