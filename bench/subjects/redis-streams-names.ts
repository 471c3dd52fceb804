export const stream = "orders";
export const group = "pool";
export const settledChannel = "orders.settled";
