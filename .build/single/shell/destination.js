// In the place of web/shell/destination.js: there is nowhere to send to.

export const canSend = false;

export const ownDestination = async () => null;

export const connectDestination = () => () => {};
