/**
 * Tab leaves a select whose list is open. Left to itself the select would take the marked choice and keep the keys: one of several
 * values then goes on and off with each Tab, and there is no way out but Esc.
 */
export function leaveLists() {
  window.addEventListener(
    "keydown",
    (e) => {
      const open = e.key === "Tab" && e.target instanceof Element && e.target.matches(".ant-select [role=combobox][aria-expanded=true]");
      if (open) e.stopPropagation(); // the browser still moves the focus, which closes the list
    },
    true,
  );
}
