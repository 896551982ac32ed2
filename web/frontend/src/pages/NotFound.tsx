import { Link } from "react-router";
import { useTitle } from "../parts/hooks";

export function NotFound() {
  useTitle("Not found");
  return (
    <div className="failed">
      <h1>Not found</h1>
      <p>There is no page at this address; look at how it is spelt, or search above.</p>
      <p><Link to="/">To the overview</Link></p>
    </div>
  );
}
