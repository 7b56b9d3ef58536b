// Reminds an administrator who has only a password.
import { Button } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "react-router";
import { api, ok } from "@/api/client";
import { useSession } from "./session";
import { useText } from "./texts";

const later = "heliograph.factorLater";
const kept = () => {
  try {
    return sessionStorage.getItem(later) !== null;
  } catch {
    return false;
  }
};

export function Remind() {
  const t = useText();
  const { person } = useSession();
  const here = useLocation();
  const [closed, setClosed] = useState(kept);
  const factors = useQuery({
    queryKey: ["me", "factors"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/me/factors", { signal })),
    enabled: person?.role === "admin" && !closed,
    staleTime: 300_000,
  });
  if (closed || !factors.data?.required || factors.data.items.length || here.pathname === "/me/security") return null;
  return (
    <div className="banner" role="status">
      <span>{t("remind")}</span> <Link to="/me/security">{t("remindGo")}</Link>
      <Button
        size="small"
        type="text"
        onClick={() => {
          setClosed(true);
          try {
            sessionStorage.setItem(later, "1");
          } catch {
            // Then it comes back with the next page load.
          }
        }}
      >
        {t("remindLater")}
      </Button>
    </div>
  );
}
