import { expect, test } from "vitest";
import { parseReceiptId } from "../../../src/exchange/commands/receipt.ts";

test("the id of a receipt says where the message lies, whatever the mailbox is called", () => {
  expect(parseReceiptId("1z,order.17,team~agent:a.b/c@d")).toEqual({
    queue: "team~agent:a.b/c@d",
    position: 71,
    messageId: "order.17",
  });
});

test.each(["", "x", "1,2", ",,", "ZZ,a,b", "1,,q", `${"1".repeat(12)},a,q`])(
  "what is no id of a receipt is refused: %j",
  (text) => {
    expect(() => parseReceiptId(text)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", details: { field: "id" } }),
    );
  },
);
