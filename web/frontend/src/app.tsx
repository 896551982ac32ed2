import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { newQueries } from "./api/queries";
import { SessionProvider, useSession } from "./api/session";
import { Shell } from "./parts/Shell";
import { SignInPage } from "./parts/SignIn";
import { Account } from "./pages/Account";
import { Aging } from "./pages/Aging";
import { Bill } from "./pages/Bill";
import { Bills } from "./pages/Bills";
import { Changes } from "./pages/Changes";
import { Customers } from "./pages/Customers";
import { Device } from "./pages/Device";
import { Equipment } from "./pages/Equipment";
import { Late } from "./pages/Late";
import { NotFound } from "./pages/NotFound";
import { Overview } from "./pages/Overview";
import { Payment } from "./pages/Payment";
import { Payments } from "./pages/Payments";
import { Placed } from "./pages/Placed";
import { Stock } from "./pages/Stock";

export function App() {
  const [queries] = useState(newQueries);
  return (
    <QueryClientProvider client={queries}>
      <SessionProvider>
        <BrowserRouter>
          <Pages />
        </BrowserRouter>
      </SessionProvider>
    </QueryClientProvider>
  );
}

function Pages() {
  const { session } = useSession();
  if (!session?.person) return <SignInPage />;
  return (
    <Routes>
      <Route element={<Shell />}>
        <Route index element={<Overview />} />
        <Route path="customers" element={<Customers />} />
        <Route path="customers/:id" element={<Account />} />
        <Route path="late" element={<Late />} />
        <Route path="aging" element={<Aging />} />
        <Route path="bills" element={<Bills />} />
        <Route path="bills/:id" element={<Bill />} />
        <Route path="payments" element={<Payments />} />
        <Route path="payments/:id" element={<Payment />} />
        <Route path="equipment" element={<Equipment />} />
        <Route path="equipment/:id" element={<Placed kind="equipment" />} />
        <Route path="equipment/:id/places" element={<Device />} />
        <Route path="stock" element={<Stock />} />
        <Route path="locations/:id" element={<Placed kind="locations" />} />
        <Route path="services/:id" element={<Placed kind="services" />} />
        <Route path="changes" element={<Changes />} />
        <Route path="*" element={<NotFound />} />
      </Route>
    </Routes>
  );
}
