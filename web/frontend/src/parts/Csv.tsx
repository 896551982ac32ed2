import { useRef, type MouseEvent } from "react";
import { useSession } from "../api/session";

/** A link to a list as a file. Whether the session still is one is asked first: a download that fails says nothing. */
export function Csv({ href }: { href: string }) {
  const { look } = useSession();
  const looked = useRef(false);
  const lookFirst = async (event: MouseEvent<HTMLAnchorElement>) => {
    if (looked.current) return;
    event.preventDefault();
    const link = event.currentTarget;
    if (!(await look())) return;
    looked.current = true;
    link.click();
    looked.current = false;
  };
  return <a className="button" href={href} download onClick={(event) => void lookFirst(event)}>CSV</a>;
}
