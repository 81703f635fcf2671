/** Leads from the data page to what is taken in, and to the choice of metafields. */

export function FieldsTaken() {
  return (
    <s-section heading="What is taken in">
      <s-stack gap="base">
        <s-paragraph>
          Each field that the app reads from your shop: how full it is, what uses it, whom it is about and how long it is kept.
        </s-paragraph>
        <s-stack direction="inline" gap="base">
          <s-link href="/data/fields">Fields taken in</s-link>
          <s-link href="/data/metafields">Metafields</s-link>
        </s-stack>
      </s-stack>
    </s-section>
  );
}
